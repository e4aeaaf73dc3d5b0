"""How well the champion does on live requests, as far as labels have come."""
