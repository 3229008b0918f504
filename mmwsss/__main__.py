"""``mmwsss NAME ...`` (or ``python -m mmwsss NAME ...``): the tools by short names.

Runs the same files as ``python tools/...``; ``mmwsss`` alone lists the names.
"""

import ast
import difflib
import runpy
import sys
from pathlib import Path

from mmwsss.utils import cli
from mmwsss.utils.shipped import HOME

TOOLS = HOME / 'tools'
# Names that are not made of the file's own; a tool that is not there is left out.
NAMES = {
    'run_pipeline.py': 'pipeline',
    'make_cams.py': 'cams',
    'generate_masks.py': 'masks',
    'make_submission.py': 'submit',
    'export_onnx.py': 'export',
    'new_project.py': 'new',
    'analysis_tools/check_dataset.py': 'check',
    'analysis_tools/browse_dataset.py': 'browse',
    'analysis_tools/print_config.py': 'config',
    'analysis_tools/get_flops.py': 'flops',
    'analysis_tools/analyze_logs.py': 'logs',
    'analysis_tools/class_confusion.py': 'confusion',
    'analysis_tools/sweep_refinement.py': 'sweep',
}
# Before the names of what lies in these folders, as in "convert-seam" and "data-voc".
PREFIXES = {'benchmarks': 'benchmark-', 'dataset_converters': 'data-',
            'model_converters': 'convert-'}


def name_of(path: str) -> str:
    """The name of a tool, a path below ``tools``: ``benchmarks/crf.py`` is ``benchmark-crf``."""
    stem = Path(path).stem.removesuffix('_to_mmwsss').replace('_', '-')
    return NAMES.get(path) or PREFIXES.get(Path(path).parent.name, '') + stem


def commands(folder: Path = TOOLS) -> dict[str, Path]:
    """Names and files of all tools that can be run, those of the first folder first."""
    files = [*sorted(folder.glob('*.py')), *sorted(folder.glob('*/*.py'))]
    return {name_of(file.relative_to(folder).as_posix()): file for file in files
            if "__name__ == '__main__'" in file.read_text(encoding='utf-8')}


def summary(file: Path) -> str:
    """The first sentence of a tool's docstring."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding='utf-8'))) or ''
    return ' '.join(text.split('\n\n')[0].split()).split('. ')[0].rstrip('.')


def main(argv: list[str] | None = None) -> int:
    """Run a tool in this process.

    Returns:
        Exit status, where the tool does not end the process: 2 for an unknown name.
    """
    argv = sys.argv[1:] if argv is None else argv
    known = commands()
    if not argv or argv[0] in ('-h', '--help'):
        width = max(map(len, known), default=0)
        print('usage: mmwsss NAME ...   (mmwsss NAME --help says more)\n')
        print('\n'.join(f'  {name:<{width}}  {summary(file)}' for name, file in known.items()))
        return 0
    if argv[0] == '--version':
        from mmwsss import __version__
        print(__version__)
        return 0
    name, *rest = argv
    if name not in known:
        near = difflib.get_close_matches(name, list(known), n=1)
        mend = f'did you mean {near[0]}?' if near else '"mmwsss --help" lists them'
        print(f'error: mmwsss has no tool "{name}"; {mend}', file=sys.stderr)
        return 2
    cli.program = f'mmwsss {name}'
    sys.argv = ['mmwsss', *rest]
    sys.path.insert(0, str(known[name].parent))  # as for a script; tools share modules
    runpy.run_path(str(known[name]), run_name='__main__')
    return 0


if __name__ == '__main__':
    sys.exit(main())
