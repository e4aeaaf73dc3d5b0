"""What each stage read and wrote, as OpenLineage datasets and facets.

:mod:`~airflow_mlops.core.lineage.naming` and :mod:`~airflow_mlops.core.lineage.stages` can be imported
anywhere; the other modules need ``openlineage-python`` (the extra ``openlineage``) and are imported only
where an event is made.
"""
