"""The other side of the endpoint benchmark: a FastAPI server as its users write it, and well.

``python benchmarks/fastapi_server.py BOOSTER PORT``
"""

import sys
from typing import Any

import numpy as np
import uvicorn
import xgboost
from fastapi import FastAPI
from pydantic import BaseModel, create_model

FEATURES = [f"f{number}" for number in range(20)]
Row: Any = create_model("Row", **dict.fromkeys(FEATURES, (float, ...)))


class Body(BaseModel):
    """Pydantic checks the rows."""

    instances: list[Row]


app = FastAPI()


@app.get("/ping")
async def ping() -> dict[str, str]:
    return {}


@app.post("/invocations")
async def invoke(body: Body) -> dict[str, list[float]]:
    rows = [[getattr(row, name) for name in FEATURES] for row in body.instances]
    return {"predictions": booster.inplace_predict(np.array(rows, dtype=np.float32)).tolist()}


if __name__ == "__main__":
    booster = xgboost.Booster(model_file=sys.argv[1])
    booster.set_param({"nthread": 1})
    uvicorn.run(app, port=int(sys.argv[2]), log_level="warning", access_log=False)
