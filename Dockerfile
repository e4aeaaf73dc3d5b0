# The image of docker-compose.yaml: Airflow's own, with this provider and what its tasks need.
FROM apache/airflow:3.3.2-python3.11

# Fresh volumes take over the owner of the folder they are mounted on.
USER root
RUN install --directory --owner=airflow --group=0 /spool /opt/airflow/auth
USER airflow

WORKDIR /tmp/airflow-mlops
COPY --chown=airflow:0 constraints.txt pyproject.toml README.md LICENSE NOTICE ./
COPY --chown=airflow:0 dags dags
COPY --chown=airflow:0 airflow_mlops airflow_mlops
# Naming Airflow's version keeps pip from moving the one that the image was built for.
RUN pip install --no-cache-dir --constraint constraints.txt \
        "apache-airflow==${AIRFLOW_VERSION}" ".[gx,xgboost,evidently,openlineage,amazon]" \
    && airflow-mlops version
WORKDIR ${AIRFLOW_HOME}
