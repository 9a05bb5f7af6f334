"""The SAM template: what it builds is a function, and AWS's own checks take it where they are installed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import LINEAR
from mock_runtime import EXE, ROOT

FOLDER = ROOT / "bindings/serve/deploy/aws"
INFER = EXE.parents[1] / "cli/infer"


@pytest.fixture
def project(tmp_path, model):
    """A copy of the folder with a model in it, and the environment of its Makefile."""
    folder = tmp_path / "project"
    shutil.copytree(FOLDER, folder)
    shutil.copy(model(LINEAR), folder / "model.json")
    return folder, {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HANDLER": str(EXE), "MODEL": "model.json",
                    "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}


def check_package(folder, runtime):
    assert sorted(path.name for path in folder.iterdir()) == ["bootstrap", "model.json"]
    r = runtime().start(exe=folder / "bootstrap", env={"LAMBDA_TASK_ROOT": str(folder)})
    assert r.invoke({"features": [1, 2, 3]}) == (200, {"prediction": 4.75})


def test_makefile(project, tmp_path, runtime):
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    folder, env = project
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    subprocess.run(["make", "-s", "-C", folder, "build-Predict"], check=True, env={**env, "ARTIFACTS_DIR": str(artifacts)})
    check_package(artifacts, runtime)


def sam(*arguments, env, folder):
    """Runs sam: INFER_SAM, or the one in the path. The package without its dependencies cannot run."""
    program = os.environ.get("INFER_SAM") or shutil.which("sam")
    if not program:
        pytest.skip("sam is not installed (INFER_SAM names it)")
    return subprocess.run([program, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=300)


def test_sam_validates(project):
    folder, env = project
    result = sam("validate", "--lint", "-t", "template.yaml", "--region", "us-east-1", env=env, folder=folder)
    assert result.returncode == 0, result.stdout + result.stderr


def uncommented(text, names):
    """The template with some of its commented options in force, each with all that is indented below it."""
    lines, missing, inside = [], set(names), None
    for line in text.splitlines():
        body = line.lstrip()
        option = body[2:] if body.startswith("# ") else ""
        name, depth = option.split(":")[0].strip(), len(option) - len(option.lstrip())
        if option and name in missing:
            missing.remove(name)
            inside = depth
        elif not option or inside is None or depth <= inside:
            inside = None
        lines.append(line[:len(line) - len(body)] + option if inside is not None else line)
    assert not missing
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("names", [
    ["AutoPublishAlias", "ProvisionedConcurrencyConfig"], ["AutoPublishAlias", "SnapStart"],
    ["InvokeMode", "INFER_RESPONSE_STREAM"], ["Objects", "Policies", "EventInvokeConfig", "Data", "INFER_S3_OUTPUT"]], ids=lambda names: names[-1])
def test_sam_validates_the_options(project, names):
    folder, env = project
    (folder / "options.yaml").write_text(uncommented((folder / "template.yaml").read_text(), names))
    result = sam("validate", "--lint", "-t", "options.yaml", "--region", "us-east-1", env=env, folder=folder)
    assert result.returncode == 0, result.stdout + result.stderr


def test_sam_builds(project, runtime):
    folder, env = project
    result = sam("build", env=env, folder=folder)
    assert result.returncode == 0, result.stdout + result.stderr
    check_package(folder / ".aws-sam/build/Predict", runtime)


def plan(*arguments):
    if not INFER.exists():
        pytest.skip(f"{INFER} was not built")
    return subprocess.run([sys.executable, FOLDER / "plan.py", *map(str, arguments)], capture_output=True, text=True,
                          env={**os.environ, "INFER": str(INFER)})


def test_plan(model, tmp_path):
    assert plan(model(LINEAR)).stdout == "Memory=128 Timeout=3\n"
    wide = {**LINEAR, "coefficients": [[0.5] * 100000]}
    result = plan(model(wide), 100000)
    memory, seconds = (int(part.split("=")[1]) for part in result.stdout.split())
    assert memory == 128 and 3 < seconds <= 900
    for arguments in ((), (model(LINEAR), "many"), (tmp_path / "none",)):
        assert plan(*arguments).returncode != 0


def test_plan_covers_the_model():
    """The arithmetic: 3/4 of what is planned holds a prediction."""
    sys.path.insert(0, str(FOLDER))
    try:
        from plan import plan as of
    finally:
        sys.path.remove(str(FOLDER))
    mega = 1 << 20
    assert of(0, 0, 0, 1) == (128, 3)
    assert of(100 * mega, 300 * mega, 0, 1)[0] == 564 and 564 * 3 / 4 >= 300
    assert of(0, 0, 1e9, 10 ** 6)[1] == 900
    assert json.dumps(of(0, 1800 * mega, 1e6, 1000)[1]) == "6"
