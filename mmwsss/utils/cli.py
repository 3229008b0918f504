"""What the command lines of ``tools/`` share.

Parsing a command line imports neither torch nor mmengine, so that ``--help`` is there at once.
"""

import argparse
import difflib
import inspect
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .console import compact
from .ending import friendly_errors

if TYPE_CHECKING:
    from mmengine.config import Config

# Top-level keys beside the arguments of mmengine's Runner that something looks for in a config.
OTHER_KEYS = ('pipeline', 'find_unused_parameters', 'model_wrapper_cfg', 'custom_imports',
              'compile', 'efficient_conv_bn_eval', 'tta_model', 'tta_pipeline', 'refiners')

# How the usage calls the program; None is by the script's name.
program: str | None = None


class KeyValues(argparse.Action):
    """``KEY=VALUE ...`` to a dict, with values as mmengine's ``DictAction`` reads them; what was
    typed is kept in ``<dest>_typed``."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
                 values: list[str], option_string: str | None = None) -> None:
        from mmengine.config import DictAction
        for value in values:
            if not value.partition('=')[0].strip() or '=' not in value:
                parser.error(f'{option_string}: "{value}" is no KEY=VALUE')
        DictAction(self.option_strings, self.dest, self.nargs)(
            parser, namespace, values, option_string)
        typed = f'{self.dest}_typed'
        setattr(namespace, typed, [*getattr(namespace, typed, []), *values])


class NameAndOptions(KeyValues):
    """``[NAME] KEY=VALUE ...`` to the pair of the name (None without) and the dict of options."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
                 values: list[str], option_string: str | None = None) -> None:
        name = values.pop(0) if '=' not in values[0] else None
        setattr(namespace, self.dest, {})
        super().__call__(parser, namespace, values, option_string)
        setattr(namespace, self.dest, (name, getattr(namespace, self.dest)))


PARTS: dict[str, Callable[[argparse.ArgumentParser], Any]] = {
    'config': lambda parser: parser.add_argument('config', help='config file'),
    'work_dir': lambda parser: parser.add_argument(
        '--work-dir', help='folder of what the run leaves; by default '
        'work_dirs/<name of the config>'),
    'cfg_options': lambda parser: parser.add_argument(
        '--cfg-options', nargs='+', action=KeyValues, default={}, metavar='KEY=VALUE',
        help='change the config, e.g. train_cfg.max_epochs=5 model.head.num_classes=6'),
    'refine': lambda parser: parser.add_argument(
        '--refine', nargs='+', action=NameAndOptions, metavar='NAME|KEY=VALUE',
        help='a preset (none, par, crf, psa, irn, ir_label, affinity) or type=..., and options, '
        'as bg=0.3'),
    'device': lambda parser: parser.add_argument(
        '--device', choices=('cpu', 'cuda'), help='default: a GPU if there is one'),
    'launcher': lambda parser: (
        parser.add_argument('--launcher', choices=('none', 'pytorch', 'slurm', 'mpi'),
                            default='none', help='how the processes of the run were started'),
        parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                            help=argparse.SUPPRESS)),
}


def at_least(lowest: int) -> Callable[[str], int]:
    """A type of an argument: integers of at least ``lowest``."""
    def integer(text: str) -> int:
        if not text.strip().lstrip('+-').isdigit() or int(text) < lowest:
            raise argparse.ArgumentTypeError(f'must be an integer of at least {lowest}, not {text}')
        return int(text)

    return integer


def make_parser(doc: str | None, *parts: str) -> argparse.ArgumentParser:
    """A parser with the arguments that the tools share.

    Args:
        doc: Docstring of the tool.
        parts: Of ``config``, ``work_dir``, ``cfg_options``, ``device`` and ``launcher``, in the
            order of the help.
    """
    parser = argparse.ArgumentParser(
        prog=program, description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, *parts)
    return parser


def add_arguments(parser: argparse.ArgumentParser, *parts: str) -> None:
    """Add shared arguments to a parser; see :func:`make_parser`."""
    for part in parts:
        PARTS[part](parser)


def _holds(child: Any, value: Any) -> bool:
    """Whether a part of a config is a value, or a dict that ``**value`` went into."""
    if isinstance(value, Mapping) and len(value) > 1:
        return isinstance(child, Mapping) and all(
            key in child and child[key] == item for key, item in value.items())
    return type(child) is type(value) and child == value


def _places(node: Any, value: Any, keys: Any = None, prefix: str = '') -> Iterator[str]:
    """Dotted keys below a config, at the top those of ``keys``, that hold a value; none for values
    that come everywhere (None, booleans, small numbers)."""
    if value is None or isinstance(value, int) and value < 10:
        return
    children = (node.items() if isinstance(node, Mapping) else
                enumerate(node) if isinstance(node, (list, tuple)) else ())
    for key, child in children:
        if keys is None or key in keys:
            if _holds(child, value):
                yield f'{prefix}{key}'
            yield from _places(child, value, None, f'{prefix}{key}.')


def command_line() -> str:
    """What was typed, to type again."""
    return shlex.join(['python', *sys.argv])


def default_work_dir(config: str, cfg: 'Config') -> str:
    """Where a run of a config leaves its files: its ``work_dir``, or ``work_dirs/<its name>``."""
    return cfg.get('work_dir') or os.path.join(
        'work_dirs', os.path.splitext(os.path.basename(config))[0])


def _run_keys() -> set[str]:
    """Top-level keys that something looks for in a config."""
    from mmengine.runner import Runner
    return {*OTHER_KEYS, *inspect.signature(Runner.__init__).parameters}


def check_keys(cfg: 'Config') -> None:
    """Refuse a top-level key of a config that is nearly that of a run; others are variables of the
    file.

    Raises:
        KeyError: Names it and the nearest.
    """
    known = _run_keys()
    for key in set(cfg.keys()) - known:
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.9)
        if near:
            raise KeyError(f'config "{cfg.filename}" has the key "{key}", which nothing reads; did '
                           f'you mean {near[0]}? A variable of the file needs another name')


def merge_options(cfg: 'Config', options: Mapping[str, Any] | None) -> 'Config':
    """Put ``--cfg-options`` on top of a config, in place.

    Raises:
        KeyError: A top-level key is neither in the config nor known to mmengine or mmwsss; names
            the nearest.
        ValueError: A key is only a variable of the config file, whose value was put where it is
            used when the file was read, so that changing it has no effect.
    """
    options = dict(options or {})
    used = _run_keys()
    known = {*cfg.keys(), *used}
    for key in options:
        top = key.split('.')[0]
        if top in cfg and top not in used:
            places = list(_places(dict(cfg.items()), cfg[top], used))
            if places:
                raise ValueError(
                    f'--cfg-options {key}: "{top}" is a variable of the config file, so changing '
                    'it has no effect; change it where it is used '
                    f'({", ".join(places[:4])}{", ..." if len(places) > 4 else ""}), or in the '
                    'file')
        if top not in known:
            near = difflib.get_close_matches(top, sorted(known), n=1)
            mend = f'did you mean {near[0]}?' if near else f'it has {", ".join(sorted(cfg))}'
            raise KeyError(f'--cfg-options {key}: the config has no key "{top}"; {mend}')
    for key in options:  # a part that a base left out by None takes options as any other
        node = cfg
        for part in key.split('.')[:-1]:
            if not isinstance(node, (Mapping, type(cfg))) or part not in node:
                break
            if node[part] is None:
                node[part] = {}
            node = node[part]
    if options:
        cfg.merge_from_dict(options)
        _drop_delete(cfg)
    return cfg


def _drop_delete(node: Any) -> None:
    """Remove the ``_delete_`` that mmengine leaves where there was nothing to delete."""
    if isinstance(node, dict):
        node.pop('_delete_', None)
    for value in (node.values() if hasattr(node, 'values') else
                  node if isinstance(node, (list, tuple)) else ()):
        _drop_delete(value)


def run_tool(run: Callable[[argparse.Namespace], int | None], args: argparse.Namespace) -> int:
    """Run a tool: the environment that it needs, and one line for a mistake of the user.

    The working folder becomes importable (``custom_imports`` of ``projects/``); ``--local_rank``
    becomes ``LOCAL_RANK`` where the launcher has not set it; ``--device cpu`` hides the GPUs.

    Returns:
        Exit status of the program.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    os.environ.setdefault('LOCAL_RANK', str(getattr(args, 'local_rank', 0)))
    if getattr(args, 'device', None) == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = ''
    with friendly_errors():
        if getattr(args, 'device', None) == 'cuda':
            from .setup_env import choose_device
            choose_device('cuda')
        if 'RANK' not in os.environ:  # else the ranks are not known yet, and all would speak
            from mmengine.logging import MMLogger
            compact(MMLogger.get_current_instance())
        return run(args) or 0
