"""Running what a table lacks: here, in several processes, or by slurm."""

import os
import shlex
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.logging import print_log

from mmwsss.utils.errors import explain

from ..fingerprint import digest
from ..pipeline import Pipeline
from ..stages import LINE
from .table import Row, Table, TableColumn


class Variant(NamedTuple):
    """The pipeline of a row and seed, and the columns that are read from it."""

    pipeline: Pipeline
    columns: list[TableColumn]

    @property
    def stages(self) -> list[str]:
        """What the columns need."""
        return self.pipeline.needed([column.stage for column in self.columns])


class Workplace:
    """Where and how the rows of a table run.

    Args:
        table: The table.
        data: Name of the data set.
        work_dir: Of all tables; the stages are in ``<work_dir>/store``, which all tables share,
            the results in ``<work_dir>/<table>_<data>``.
        rows: Names or numbers of the rows; None is all of them.
        stages: Only columns of these stages.
        options: Further options of every row, as of ``--cfg-options``.
        device, launch, amp: As of :class:`Pipeline`.

    Raises:
        ValueError, KeyError: No row has a config for the data set, or a name is unknown.
    """

    def __init__(self, table: Table, data: str, work_dir: str | Path = 'work_dirs/tables',
                 rows: Sequence[str] | None = None, stages: Sequence[str] | None = None,
                 options: Mapping[str, Any] | None = None, device: str | None = None,
                 launch: dict | None = None, amp: bool = False):
        self.table, self.data = table, data
        self.store = Path(work_dir) / 'store'
        self.folder = Path(work_dir) / f'{table.name}_{data}'
        self.rows = table.choose(rows)
        known = {column.stage for column in table.columns}
        if set(stages or ()) - known:
            raise ValueError(f'{table.file} has columns of the stages {sorted(known)}, none of '
                             f'{sorted(set(stages) - known)}')
        self.columns = [column for column in table.columns if stages is None
                        or column.stage in stages]
        self.options, self.device, self.amp = dict(options or {}), device, amp
        self.launch = launch
        if not any(data in row.configs for row in self.rows):
            there = sorted({name for row in table.rows for name in row.configs})
            raise ValueError(f'{table.file}: none of the rows has a config for "{data}"; there are '
                             f'configs for {there}')

    @property
    def runnable(self) -> list[Row]:
        """The rows with a config for the data set."""
        return [row for row in self.rows if self.data in row.configs]

    def variants(self, row: Row, seed: int) -> list[Variant]:
        """The pipelines of a row: one, and one more for each set of options of its columns."""
        groups: dict[str, list[TableColumn]] = {}
        for column in self.columns:
            options = column.options[self.data]
            if options is not None:
                groups.setdefault(digest(options), []).append(column)
        found = []
        for key, columns in groups.items():
            cfg = self.table.config(row, self.data, columns[0], self.options)
            folder = self.folder / row.slug / f'seed_{seed}'
            if columns[0].options[self.data]:
                folder = folder / key[:6]
            found.append(Variant(Pipeline(
                cfg, folder, seed, device=self.device, launch=self.launch, amp=self.amp,
                store=self.store), columns))
        return found

    def check(self, seed: int = 0) -> None:
        """Look for what is wrong with any row before the first one runs; see
        :meth:`Pipeline.check`. Its errors name the row."""
        for row in self.runnable:
            try:
                for pipeline, columns in self.variants(row, seed):
                    self._check_columns(pipeline, columns)
                    for name in pipeline.needed([column.stage for column in columns]):
                        pipeline.stages[name].check(pipeline.context)
            except (KeyError, TypeError, ValueError) as error:
                text = explain(error)
                if text is None:
                    raise
                raise ValueError(f'{self.table.file}, row "{row.name}": {text}') from error

    def _check_columns(self, pipeline: Pipeline, columns: Sequence[TableColumn]) -> None:
        """Raises:
            ValueError: A column is of a stage or split that cannot be.
        """
        stages = [*dict.fromkeys([*LINE, *pipeline.stages])]
        splits = [split.name for split in pipeline.context.splits]
        for column in columns:
            if column.stage not in stages:
                raise ValueError(f'column "{column.key}" is of a stage "{column.stage}"; there are '
                                 f'{stages}')
            if len(splits) > 1 and column.split not in {*splits, 'train', 'val', 'test'}:
                raise ValueError(f'column "{column.key}" is of a split "{column.split}"; there are '
                                 f'{splits}')

    def run(self, row: Row, seed: int) -> None:
        """Run what a row lacks."""
        for variant in self.variants(row, seed):
            variant.pipeline.wanted = set(variant.stages)
            variant.pipeline.run(check=False)

    def run_all(self, seeds: Sequence[int]) -> list[str]:
        """Run all rows and seeds in this process, one after the other; a row that fails does not
        stop the others.

        Returns:
            What failed.
        """
        failed = []
        jobs = [(row, seed) for row in self.runnable for seed in seeds]
        for number, (row, seed) in enumerate(jobs, 1):
            print_log(f'== {row.name}, seed {seed} ({number} of {len(jobs)}) ==', logger='current')
            try:
                self.run(row, seed)
            except Exception as error:  # the table says so at its end
                traceback.print_exc()
                failed.append(f'{row.name}, seed {seed}: {error}')
        return failed


def run_processes(commands: Mapping[str, Sequence[str]], folder: Path, jobs: int) -> list[str]:
    """Run commands, some at a time, spread over the GPUs.

    Args:
        commands: By the name of their log ``<folder>/logs/<name>.log``.
        folder: Of the results.
        jobs: So many at a time.

    Returns:
        What failed, with the log's name.
    """
    logs = folder / 'logs'
    logs.mkdir(parents=True, exist_ok=True)
    gpus = torch.cuda.device_count()
    waiting, running, failed = list(commands.items()), {}, []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                name, command = waiting.pop(0)
                free = min(range(jobs), key=lambda i: i in [slot for slot, _, _ in
                                                            running.values()])
                env = dict(os.environ)
                if gpus > 1 and 'CUDA_VISIBLE_DEVICES' not in env:
                    env['CUDA_VISIBLE_DEVICES'] = str(free % gpus)
                log = open(logs / f'{name}.log', 'w')
                print_log(f'begins: {name} ({log.name})', logger='current')
                running[name] = free, log, subprocess.Popen(
                    list(command), stdout=log, stderr=subprocess.STDOUT, env=env)
            for name, (_, log, process) in list(running.items()):
                if process.poll() is not None:
                    log.close()
                    del running[name]
                    if process.returncode:
                        failed.append(f'{name}: exit status {process.returncode}, see {log.name}')
                    print_log(f'ends: {name} ({process.returncode})', logger='current')
            time.sleep(0.2)
    finally:
        for _, _, process in running.values():
            process.terminate()
        for _, log, process in running.values():
            process.wait()
            log.close()
    return failed


def submit(commands: Mapping[str, Sequence[str]], folder: Path,
           arguments: Sequence[str] = ()) -> list[str]:
    """Hand commands to slurm, a job each.

    Args:
        commands: By the name of the job.
        folder: Of the results; logs are ``<folder>/logs/<name>.log``.
        arguments: Of sbatch, as ``--gres=gpu:1``.

    Returns:
        The numbers of the jobs.

    Raises:
        FileNotFoundError: There is no sbatch.
        ValueError: It refuses; with what it says.
    """
    logs = (folder / 'logs').resolve()
    logs.mkdir(parents=True, exist_ok=True)
    numbers = []
    for name, command in commands.items():
        call = ['sbatch', '--parsable', f'--job-name={name}', f'--output={logs / name}.log',
                f'--chdir={os.getcwd()}', *arguments, f'--wrap={shlex.join(command)}']
        try:
            done = subprocess.run(call, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise FileNotFoundError('no sbatch on this machine: --launcher slurm needs slurm; '
                                    '--jobs N runs N rows at a time here') from error
        if done.returncode:
            raise ValueError(f'sbatch refuses the job "{name}": {done.stderr.strip()}')
        numbers.append(done.stdout.strip().split(';')[0])
    return numbers


def job_commands(place: Workplace, seeds: Sequence[int], tool: str,
                 arguments: Sequence[str]) -> dict[str, list[str]]:
    """One command a row and seed, by the name of the job.

    Args:
        place: The rows.
        seeds: Of the trainings.
        tool: ``tools/reproduce.py``.
        arguments: What all of them share.
    """
    return {f'{row.slug}_seed{seed}': [
        sys.executable, tool, place.table.file, '--data', place.data, '--rows', row.name,
        '--seeds', str(seed), '--job', *arguments]
        for row in place.runnable for seed in seeds}
