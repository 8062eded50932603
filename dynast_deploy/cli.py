"""The command line `dynast`."""

from __future__ import annotations

import typer

from dynast_deploy.command import help_text, run
from dynast_deploy.commands.bench import bench
from dynast_deploy.commands.build_engine import build_engine
from dynast_deploy.commands.calibrate import calibrate
from dynast_deploy.commands.condition import condition
from dynast_deploy.commands.convert import convert
from dynast_deploy.commands.data import data
from dynast_deploy.commands.doctor import doctor
from dynast_deploy.commands.evaluate import evaluate
from dynast_deploy.commands.export import export
from dynast_deploy.commands.export_triton import export_triton
from dynast_deploy.commands.fetch_models import fetch_models
from dynast_deploy.commands.from_onnx import from_onnx
from dynast_deploy.commands.inspect import inspect
from dynast_deploy.commands.sensitivity import sensitivity
from dynast_deploy.commands.train import train
from dynast_deploy.commands.verify import verify

app = typer.Typer(
    name="dynast",
    help="Tools around DynaST engines. Videos and pictures are rendered by dynast-run.",
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)
COMMANDS = (
    export,
    build_engine,
    inspect,
    verify,
    bench,
    condition,
    calibrate,
    sensitivity,
    data,
    train,
    evaluate,
    convert,
    from_onnx,
    export_triton,
    fetch_models,
    doctor,
)
"""In the order of `dynast --help`: make an engine, look at it, draw, measure, train, convert, this machine."""

for command in COMMANDS:
    app.command(help=help_text(command))(command)


def main() -> None:
    """Run the command that the command line names."""
    run(app)


if __name__ == "__main__":
    main()
