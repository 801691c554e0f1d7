"""How graphs are executed: by processes of our own, or by the nipype plugin that --use-plugin names."""

from __future__ import annotations

import getpass
import logging
import math
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_brainage import messages
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.reading import MB, read_yaml_mapping

if TYPE_CHECKING:
    from bids_brainage.workflows.plugin import Heard

LOGGER = logging.getLogger(__name__)

#: What the program itself holds while steps run (0.24 measured).
OWN_GB = 0.3
#: Nipype waits for ever where there is less than 0.01.
LEAST_GB = 0.1
#: nipype's plugins that call sbatch for each step.
SLURM = ("SLURM",)
#: What a job asks for at least: Python and libraries, as Slurm counts them.
LEAST_JOB_GB = 1.0


class Execution:
    """Executes graphs one after the other; the processes live until it is closed.

    Parameters
    ----------
    config : RunConfig
    told : callable
        nipype's status callback: called with a node and what became of it.
    heard : callable, optional
        Called with a node's full name and the `Heard` of its worker.

    Raises
    ------
    InputError
        If the file of --use-plugin cannot be used.
    """

    def __init__(
        self,
        config: RunConfig,
        told: Callable[[Any, str], None],
        heard: Callable[[str, list[Heard]], None] | None = None,
    ) -> None:
        self.config = config
        self._told = told
        self._heard = heard
        self._settings = None if config.use_plugin is None else read_plugin_file(config.use_plugin)
        self._plugin: Any = None
        self._arguments: dict[str, Any] = {}

    def run(self, workflow: Any) -> None:
        """Run a graph. Nodes that fail leave crash files; it continues without what depends on them."""
        if self._plugin is None:
            # Not before there is something to do: nipype takes half a second.
            configure_nipype(self.config)
            self._plugin, self._arguments = self._found_plugin()
        if self._settings is not None and self._settings["plugin"] in SLURM:
            ask_for_what_is_declared(workflow, self._arguments.get("sbatch_args") or "")
        # Not among nipype's own settings, where a % has a meaning.
        workflow.config["execution"] = {"crashdump_dir": str(self.config.log_dir)}
        plugin, arguments = self._plugin, dict(self._arguments)
        if isinstance(plugin, str):
            plugin = with_lost_jobs_told(plugin)(plugin_args=arguments)
        try:
            workflow.run(plugin=plugin, plugin_args=arguments)
        except RuntimeError as error:
            LOGGER.debug("nipype: %s", error)

    def close(self) -> None:
        """End the processes."""
        if hasattr(self._plugin, "close"):
            self._plugin.close()

    def _found_plugin(self) -> tuple[Any, dict[str, Any]]:
        if self._settings is not None:
            # Plugins of batch systems name jobs after it, and containers and cron lack it.
            os.environ.setdefault("LOGNAME", _user())
            arguments = self._settings.get("plugin_args") or {}
            return self._settings["plugin"], arguments | {"status_callback": self._told}
        from bids_brainage.workflows.plugin import KeptPool

        arguments = {
            "n_procs": self.config.nprocs,
            "memory_gb": max(self.config.mem - OWN_GB, LEAST_GB),
            "threads_per_node": self.config.omp_nthreads,
            "low_mem": self.config.low_mem,
            "raise_insufficient": False,
            "status_callback": self._told,
            "heard": self._heard,
        }
        return KeptPool(plugin_args=arguments), arguments


def with_lost_jobs_told(name: str) -> type[Any]:
    """nipype's plugin of that name, going on where the batch system ended a job that left no result.

    Nipype (1.11) fails in writing the crash file: it expects the lines of a traceback and has a text.
    """
    from nipype.pipeline import plugins

    plugin: type[Any] = getattr(plugins, f"{name}Plugin")

    class Plugin(plugin):
        def _get_result(self, taskid: int) -> Any:
            result = super()._get_result(taskid)
            if result and isinstance(result["traceback"], str):
                result["traceback"] = result["traceback"].splitlines(keepends=True)
            return result

    return Plugin


def ask_for_what_is_declared(workflow: Any, typed: str) -> None:
    """Let each step's job ask Slurm for the step's processors and memory, unless `typed` says how much.

    Parameters
    ----------
    workflow : nipype Workflow
    typed : str
        Arguments of sbatch for all steps, from the file of --use-plugin.
    """
    given = {re.split(r"[= \d]", word)[0] for word in shlex.split(typed) if word.startswith("-")}
    for name in workflow.list_node_names():
        node = workflow.get_node(name)
        asked = []
        if not given & {"-c", "--cpus-per-task"}:
            asked.append(f"--cpus-per-task={max(1, node.n_procs)}")
        if not given & {"--mem", "--mem-per-cpu"}:
            asked.append(f"--mem={math.ceil(1024 * max(node.mem_gb, LEAST_JOB_GB))}M")
        node.plugin_args = {"sbatch_args": " ".join(asked)}


def _user() -> str:
    """The name of who runs this, or the number if there is no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid{os.getuid()}"


def configure_nipype(config: RunConfig) -> None:
    """Set nipype up: crash files as text beside the log, its own messages silenced, no network."""
    import nipype
    from nipype import config as nipype_config
    from nipype import logging as nipype_logging

    nipype_config.update_config(
        {
            "execution": {
                "crashfile_format": "txt",
                "stop_on_first_crash": str(config.stop_on_first_crash).lower(),
                "poll_sleep_duration": "0.2",
                "check_version": "false",
                # Shared disks show what another machine wrote after up to a minute.
                "job_finished_timeout": "60",
                "create_report": "false",
                "remove_unnecessary_outputs": "false",
            },
            "logging": {"workflow_level": "CRITICAL", "interface_level": "CRITICAL"},
            "monitoring": {"enabled": "false"},
        }
    )
    nipype_logging.update_logging(nipype_config)
    LOGGER.debug("nipype %s", nipype.__version__)


def read_plugin_file(path: Path) -> dict[str, Any]:
    """Read the YAML file of --use-plugin: ``plugin`` and ``plugin_args``, as for fMRIPrep.

    Raises
    ------
    InputError
        If the file cannot be read, or names no plugin that nipype has.
    """
    try:
        settings = read_yaml_mapping(path, MB)
        _check_plugin(settings)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise InputError(messages.PLUGIN_FILE.format(path=path, reason=reason)) from error
    return settings


def _check_plugin(settings: dict[str, Any]) -> None:
    """Raise ValueError with the reason why these settings cannot be used."""
    name, arguments = settings.get("plugin"), settings.get("plugin_args")
    if not isinstance(name, str):
        raise ValueError("it names no plugin")
    from nipype.pipeline import plugins

    known = sorted(key.removesuffix("Plugin") for key in vars(plugins) if key.endswith("Plugin"))
    if name not in known:
        raise ValueError(f"there is no plugin {name}, only {', '.join(known)}")
    if not isinstance(arguments, dict | None):
        raise ValueError("plugin_args must be settings by name")
