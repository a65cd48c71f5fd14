"""The project's chores: `nox` alone does what a commit needs, `nox -l` lists them all."""

import linecache
import os
import re
import shutil
import sys
import tarfile
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import nox
from packaging.requirements import Requirement

nox.needs_version = ">=2026.10"  # passes over a shim on PATH that does not answer
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # nox's last lines name them
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.stop_on_first_error = True  # what failed is what was printed last
os.environ["UV_PYTHON_DOWNLOADS"] = "never"
# Else each of the thousands of processes that the tests start compiles all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)
# One more than there are cores: many tests wait for processes, servers and real time.
ON_ALL_CORES = ["-n", str((os.cpu_count() or 1) + 1), "--dist", "worksteal"]
# Every line that these run is run by other tests too: with coverage they take three times as long.
ADDING_NO_LINE = [
    "tests/examples",
    "tests/http/test_schemes.py",
    "tests/http/test_sdks.py",
    *(
        f"tests/test_{name}.py"
        for name in (
            "blocks",
            "brokers",
            "bursts",
            "chaos",
            "clock_references",
            "contract",
            "contract_cancel",
            "depth",
            "examples",
            "hazards",
            "interrupts",
            "labels",
            "marbles",
            "mutate",
            "notebooks",
            "pipelines",
            "programs",
            "redis_simulation",
            "site",
            "sweep",
            "table",
            "timelines",
            "waiting",
        )
    ),
]
# These run lines on trio that no test runs on asyncio. What others run on trio adds none to those.
ADDING_ON_TRIO = [
    *("backends", "cli", "clock", "executors", "managed", "order", "properties", "queues", "redis"),
    *("removals", "runtimes", "share", "stopped", "sweep", "to_sync", "trio_names"),
    *("waits", "watch"),
]
LIKE_ASYNCIO = f"trio and not ({' or '.join(ADDING_ON_TRIO)})"
# What asks something of anyio, trio, httpx and the other packages that is not plain.
HTTP = ["faults", "lines", "packing", "pages", "parallel", "requests", "sse"]
CORE = [
    "asgi",
    "asgi_servers",
    "context",
    "core",
    "generators",
    "hazards",
    "listeners",
    "managed",
    "net",
    "nurseries",
    "of_asyncio",
    "orphans",
    "progress",
    "queues",
    "run",
    "runtimes",
    "share",
    "shelter",
    "signals",
    "stopped",
    "tasks",
    "trio_names",
]
ASKING_OTHERS = [
    "tests/bridges",
    "tests/testing",
    *(f"tests/http/test_{name}.py" for name in HTTP),
    *(f"tests/test_{name}.py" for name in CORE),
]
# What may differ from one Python to the next besides. The rest runs on the oldest and the newest.
ASKING_PYTHON = [
    "calls",
    "catch",
    "foreign",
    "hints",
    "inside",
    "left_behind",
    "locating",
    "made",
    "names",
    "order",
    "outage",
    "pools",
    "producers",
    "retry",
    "statistics",
    "workers",
]
OF_THE_CORE = [
    *(path for path in ASKING_OTHERS if "http" not in path and "net" not in path),
    *(f"tests/test_{name}.py" for name in ASKING_PYTHON),
    "tests/test_contract_cancel.py::test_other_event_loops",  # one of them is new in Python 3.12
]
PYODIDE = {"314": "314.0.7", "315": "315.0.0-alpha.2"}
"""The versions of the npm package, of which the first three digits are the version of Python."""
# The other packages of the tests have parts in other languages, or are for threads and processes.
PURE = [
    *("anyio", "coredis", "django", "h11", "httpx", "httpx2", "hypercorn", "hypothesis"),
    *("opentelemetry-sdk", "prometheus-client", "pytest>=9", "pytest-timeout", "rich", "shtab"),
    *("sse-starlette", "starlette", "trio", "uvicorn"),
]
# These are about threads, sockets, signals and processes, read the sources, or take too long.
NOT_IN_PYODIDE = [
    *("brokers", "bursts", "chaos", "cluster", "contract_cancel", "examples", "executors"),
    *("import", "interrupts", "listeners", "mutate", "net", "notebooks", "progress", "pubsub"),
    *("redis", "redis_arguments", "redis_simulation", "signals", "sweep", "walks"),
]
TOGETHER = 4  # files in one process; it takes seconds to start, and a hundred files slow it down
PASSED_IN_PYODIDE = 17000  # at the least

# Not the tests, in which whatever can go wrong is done on purpose.
CODE = ["src", "docs", "examples", "benchmarks", "noxfile.py"]

FLAKE8_ASYNC = [
    "--select=ASYNC1,ASYNC2,ASYNC3,ASYNC4",  # ASYNC9 forbids async generators altogether
    # 106: `from anyio import` is fine. 124: a user may pass an async function that never awaits.
    # 127: httpx is the client that the extra promises.
    "--extend-ignore=ASYNC106,ASYNC124,ASYNC127",
    # 102, 103: what these catch goes through `Run.fail` or into the step that is driven, and the
    # shields are in `_core/owner.py`, also those of what is closed over HTTP or for Redis, so that
    # no cancellation discards an error (120).
    "--per-file-ignores=src/anystream/_*:ASYNC102,ASYNC103 src/anystream/http/*:ASYNC102,ASYNC120"
    " src/anystream/redis/*:ASYNC102",
]

SMOKE_TEST = """
import anyio, importlib.resources
from anystream import async_range

squares = async_range(5).map(lambda n: n * n)
assert anyio.run(squares.collect) == [0, 1, 4, 9, 16]
assert importlib.resources.files("anystream").joinpath("py.typed").is_file()
"""


def pyenv_folders() -> list[str]:
    """Find the interpreters that pyenv has: its shims run only those it has switched on."""
    root = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    return [str(path) for python in PYTHONS for path in root.glob(f"versions/{python}.*/bin")]


os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *pyenv_folders()])


def install(session: nox.Session, group: str, *pins: str) -> None:
    """Install the checkout, all its extras and a dependency group."""
    session.install("-e", ".[all]", *nox.project.dependency_groups(PYPROJECT, group), *pins)


def without(*paths: str) -> list[str]:
    """Leave files or folders of tests out, for pytest."""
    return [f"--ignore={path}" for path in paths]


def lowest_versions() -> list[str]:
    """Pin what the package, its extras and the tests ask for to the lower bounds given."""
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"].values()
    tools = nox.project.dependency_groups(PYPROJECT, "test")
    return [
        f"{requirement.name}=={bound.version}"
        for requirement in map(Requirement, chain(project["dependencies"], tools, *extras))
        for bound in requirement.specifier
        if bound.operator == ">="
    ]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests on every Python found, the oldest with every branch covered (-- for pytest)."""
    install(session, "test")
    if session.python != PYTHONS[0]:  # no line of the package is for one Python alone
        chosen = OF_THE_CORE if session.python in PYTHONS[1:-1] else []
        session.run("pytest", *ON_ALL_CORES, *(session.posargs or chosen))
        return
    others = without(*ADDING_NO_LINE)
    chosen = session.posargs or ["-k", f"not ({LIKE_ASYNCIO})", *others]
    session.env["COVERAGE_FILE"] = os.path.join(session.virtualenv.location, "coverage")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *ON_ALL_CORES, *chosen)
    session.run("coverage", "combine", "--quiet")
    report = ["--fail-under=0"] if session.posargs else []
    if shutil.which("redis-server") is None:  # its tests are skipped
        report.append("--omit=*/anystream/redis/*")
    session.run("coverage", "report", *report)
    if not session.posargs:
        session.run("pytest", *ON_ALL_CORES, "-k", LIKE_ASYNCIO, *others)
        session.run("pytest", *ON_ALL_CORES, *ADDING_NO_LINE)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format with ruff, async with flake8-async, and the workflows with zizmor."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("flake8", *FLAKE8_ASYNC, *CODE)
    session.run("zizmor", "--offline", "--quiet", ".github")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with pyright and mypy, what users infer, and that every public name has one."""
    install(session, "types")
    session.run("pyright")
    session.run("mypy")
    session.run("pyright", "--verifytypes", "anystream", "--ignoreexternal")  # 100 %, or it fails


@nox.session(name="types-more")
def types_more(session: nox.Session) -> None:
    """Print what ty and pyrefly find in tests/typing, which is for nobody to fix but them."""
    install(session, "types", "ty", "pyrefly")
    given = "tests/typing"
    check_with(session, "ty", "--output-format=concise", f"--extra-search-path={given}", given)
    check_with(session, "pyrefly", "--output-format=min-text", f"--search-path={given}", given)


def check_with(session: nox.Session, checker: str, *args: str) -> None:
    """Run a type checker that may fail, and show what it finds in lines that should pass."""
    found = session.run(checker, "check", *args, success_codes=[0, 1], silent=True)
    for text in str(found).splitlines():
        place = re.search(r"(tests/typing/\w+\.py):(\d+)", text)
        if place and "type: ignore" not in linecache.getline(place[1], int(place[2])):
            print(text)


@nox.session(python=PYTHONS[0])
def minimums(session: nox.Session) -> None:
    """Run the tests with the lowest versions that pyproject.toml admits (-- for pytest)."""
    install(session, "test", *lowest_versions())
    session.run("pytest", *ON_ALL_CORES, *(session.posargs or ASKING_OTHERS))


@nox.session
def mutate(session: nox.Session) -> None:
    """Change the core by chance, and print which changes no test notices (-- for the script)."""
    install(session, "test")
    session.run("python", "tests/mutate.py", *session.posargs)


@nox.session(python="3.13")
def sweep(session: nox.Session) -> None:
    """Cut every pipeline at every step in every mode and print the count (-- for pytest)."""
    install(session, "test")
    everything = ["--seeds=10", "--every-mode", "--timeout=600"]
    swept = ["tests/test_sweep.py", "tests/test_interrupts.py"]
    session.run("pytest", "-q", *swept, *everything, *session.posargs)


@nox.session(python="3.13")
def cluster(session: nox.Session) -> None:
    """Call functions on a Dask cluster, on two hosts if this is root on Linux (-- for pytest)."""
    install(session, "test", *nox.project.dependency_groups(PYPROJECT, "cluster"))
    session.run("pytest", "-rs", "tests/test_cluster.py", *session.posargs)


@nox.session(python=PYTHONS)
def chaos(session: nox.Session) -> None:
    """Run random programs by the hundred thousand, in every runtime (-- for tests/chaos.py)."""
    install(session, "test")
    if session.posargs:
        session.run("python", "tests/chaos.py", *session.posargs)
        return
    eager = [] if session.python == PYTHONS[0] else ["--eager"]  # which asyncio has since 3.12
    for backend in ("asyncio", "trio"):
        session.run("python", "tests/chaos.py", "--programs=100000", f"--backend={backend}")
    for option in ["--debug", "--uvloop", *eager]:
        session.run("python", "tests/chaos.py", "--programs=20000", option)


@nox.session
def redis(session: nox.Session) -> None:
    """Kill workers, the server and the link between two hosts, and count (-- for the proofs)."""
    install(session, "test")
    session.run("python", "tests/redis_proofs.py", *session.posargs)


@nox.session(python="3.13")
def bench(session: nox.Session) -> None:
    """Time it beside its rivals on each backend (-- for benchmarks/run.py, also compare)."""
    install(session, "bench")
    session.install("--no-deps", "grugstream", "slist")  # it works, but asks for anyio below 4
    session.run("python", "benchmarks/run.py", *session.posargs)


def npm_package(session: nox.Session, version: str) -> Path | None:
    """Get Pyodide from npm, once, and return its folder, or None if there is no npm or network."""
    root = Path(session.cache_dir, f"pyodide-{version}")
    folder = root / "node_modules" / "pyodide"
    if not folder.exists() and shutil.which("npm"):
        quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0"]
        package = ["--prefix", str(root), f"pyodide@{version}"]
        session.run("npm", "install", *quiet, *package, external=True, success_codes=range(256))
    return folder.resolve() if folder.exists() else None


def files_for_pyodide() -> list[str]:
    """Return arguments for tests/pyodide/run.mjs: some files each, with a comma between them."""
    left_out = {f"tests/test_{name}.py" for name in NOT_IN_PYODIDE}
    files = sorted({path.as_posix() for path in Path("tests").glob("test_*.py")} - left_out)
    files += [f"tests/bridges/test_{name}.py" for name in ("from_callback", "into")]
    files += [f"tests/testing/test_{name}.py" for name in ("diagrams", "sources", "waits")]
    return [",".join(files[at : at + TOGETHER]) for at in range(0, len(files), TOGETHER)]


@nox.session
def pyodide(session: nox.Session) -> None:
    """Run the tests that need no thread, socket or process on CPython 3.14 in node (-- 315, FILE).

    The event loops are those of asyncio and trio, woken by pipes instead of sockets. A test that
    asks for what WebAssembly lacks is skipped, and a property is tried with ten examples.
    """
    chosen = [each for each in session.posargs if each in PYODIDE] or ["314"]
    files = [each for each in session.posargs if each not in PYODIDE] or files_for_pyodide()
    if shutil.which("node") is None:
        session.skip("node and npm are not installed")
    session.install("pip")
    for version in chosen:
        package = npm_package(session, PYODIDE[version])
        if package is None:
            session.skip("Pyodide is not to be had from npm")
        packages = Path(session.create_tmp(), version)
        shutil.rmtree(packages, ignore_errors=True)
        into = ["python", "-m", "pip", "install", "--quiet", "--target", str(packages)]
        pure = ["--python-version", f"3.{version[1:]}", "--platform=any", "--implementation=py"]
        session.run(*into, *pure, "--abi=none", "--only-binary=:all:", *PURE)
        session.run(*into, "--no-deps", ".")
        run = ["node", "tests/pyodide/run.mjs", str(package), str(packages), *files]
        least = 1 if session.posargs else PASSED_IN_PYODIDE
        session.run(*run, external=True, env={"LEAST": str(least)})


# Sphinx leaves older Pythons sooner than we do.
@nox.session(python="3.13" if shutil.which("python3.13") else None)
def docs(session: nox.Session) -> None:
    """Make the site, in docs/_build; a link that leads nowhere is an error (-- for sphinx).

    It has a playground if Pyodide is to be had from npm.
    """
    install(session, "docs")
    session.env["PYODIDE"] = str(npm_package(session, PYODIDE["314"]) or "")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "docs", "docs/_build", *session.posargs)
    session.run("python", "tests/built_site.py", "docs/_build")


@nox.session
def build(session: nox.Session) -> None:
    """Build and check dist/, and try each package in a fresh environment, first without extras."""
    session.install("build", "readme-renderer[md]", "twine")
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build")
    session.run("twine", "check", "--strict", *map(str, Path("dist").iterdir()))
    check_contents(session)
    for package in Path("dist").iterdir():
        with TemporaryDirectory() as fresh:
            python = os.path.join(fresh, "Scripts" if sys.platform == "win32" else "bin", "python")
            session.run("python", "-m", "venv", fresh)
            session.run(python, "-m", "pip", "install", "--quiet", str(package), external=True)
            session.run(python, "-I", "-W", "error", "-c", SMOKE_TEST, external=True)
            try_testing(session, python, f"{package}[trio]")


def check_contents(session: nox.Session) -> None:
    """Compare what is packed with what is in git: all of it, or of the wheel the package alone."""
    name = f"anystream-{PYPROJECT['project']['version']}"
    tracked = str(session.run("git", "ls-files", external=True, silent=True, log=False)).split()
    data = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    in_wheel = {f"{name}.dist-info/{each}" for each in data}
    in_wheel |= {each.removeprefix("src/") for each in tracked if each.startswith("src/")}
    in_sdist = {f"{name}/{each}" for each in tracked if not each.startswith((".ci/", ".github/"))}
    with ZipFile(f"dist/{name}-py3-none-any.whl") as wheel:
        differing = in_wheel ^ set(wheel.namelist())
    with tarfile.open(f"dist/{name}.tar.gz") as sdist:
        differing |= in_sdist ^ ({*sdist.getnames()} - {f"{name}/PKG-INFO"})
    if differing:
        session.error(f"packed but not in git, or the reverse: {sorted(differing)}")


@nox.session(python=PYTHONS)
def wheel(session: nox.Session) -> None:
    """Run the tests with the wheel in dist/, away from src/ (-- for pytest)."""
    (package,) = Path("dist").glob("*.whl")
    tools = nox.project.dependency_groups(PYPROJECT, "test")
    session.install("--force-reinstall", f"{package}[all]", *tools)
    left_out = shutil.ignore_patterns("src", ".*")
    with TemporaryDirectory() as folder:
        rest = shutil.copytree(".", f"{folder}/rest", ignore=left_out)
        with session.chdir(rest):
            session.run("pytest", *ON_ALL_CORES, *session.posargs)


def try_testing(session: nox.Session, python: str, package: str) -> None:
    """Run the project of docs/testing.md with nothing but pytest and what a user would install."""
    session.run(python, "-m", "pip", "install", "--quiet", package, "pytest", external=True)
    with TemporaryDirectory() as project:
        session.run("python", "tests/testing/project.py", project)
        strict = ["--strict-markers", "--strict-config", "-p", "no:cacheprovider", "-W", "error"]
        session.run(
            *(python, "-I", "-m", "pytest", *strict, "--verbose", "--rootdir", project, project),
            external=True,
        )
