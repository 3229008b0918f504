"""Run the shell and Python blocks of documentation pages as they are printed.

    python tests/run_pages.py FOLDER PAGE [PAGE ...]

All pages share FOLDER, where configs, tools and projects are as in the checkout, but Shapes has
six images, a segmentation model and a new project train for two steps, and the ImageNet weights of
ResNet-18 are random. A Python block whose first line is
``# path/of/file.py`` is written there; any other is executed. Each command is a fork of this
process, which has the imports behind it. What each block and command did is written to
FOLDER/results.json. A block after ``<!-- needs: ... -->`` is left out.
"""

import dataclasses
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(
    r'(?:^ *<!-- needs: (?P<needs>[\w ,.-]+) -->\n\s*)?'
    r'^(?P<indent> *)```(?P<language>\w+)\n(?P<code>.*?)^ *```', re.DOTALL | re.MULTILINE)
# What belongs in the log file, and what no user should see.
NOISE = re.compile(r'.*(?:Config:|System environment|Hooks will be executed|OneDL|Traceback|'
                   r'Distributed training is not used).*')
TINY = {
    'configs/_base_/default_runtime.py': {
        r'interval=1, max_keep': 'interval=99, max_keep', r'interval=50': 'interval=1'},
    'configs/_base_/datasets/shapes_wsss.py': {
        r'num_images=\d+': 'num_images=6', r'batch_size=\d+, num_workers=\d+':
        'batch_size=4, num_workers=0, persistent_workers=False'},
    'configs/_base_/datasets/shapes_masks.py': {
        r'batch_size=\d+, num_workers=\d+':
        'batch_size=2, num_workers=0, persistent_workers=False'},
    'configs/deeplab/deeplabv2_small_shapes.py': {
        r'max_iters=\d+, val_interval=\d+': 'max_iters=2, val_interval=2',
        r'checkpoint=dict\(interval=\d+': 'checkpoint=dict(interval=2'},
}


class Block(NamedTuple):
    """A fenced block: its language, its text, and what it needs beside the checkout."""

    language: str
    code: str
    needs: str

    @property
    def file(self) -> str | None:
        """The file that the first line of a Python block names."""
        match = re.match(r'# ([\w/]+\.py)\n', self.code)
        return match[1] if match and self.language == 'python' else None


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, without their indentation."""
    return [Block('bash' if match['language'] == 'shell' else match['language'],
                  re.sub(f'^{match["indent"]}', '', match['code'], flags=re.MULTILINE),
                  match['needs'] or '') for match in FENCE.finditer(page.read_text())]


def commands_of(code: str) -> list[str]:
    """The commands of a shell block, one a line, without comments."""
    lines = (re.sub(r'(^|\s+)#.*', '', line).strip()
             for line in code.replace('\\\n', ' ').splitlines())
    return [_made(line) for line in lines if line]


def _made(command: str) -> str:
    """For ``make TARGET`` the recipe of the target."""
    match = re.fullmatch(r'make (\w+)', command)
    if not match:
        return command
    recipe = re.search(rf'^{match[1]}:.*\n\t(.*)$', (ROOT / 'Makefile').read_text(), re.MULTILINE)
    return recipe[1].replace('$(BIN)/python', 'python')


def prepare(folder: Path) -> None:
    """Lay out a checkout whose Shapes are tiny."""
    for name in ('configs', 'projects'):
        shutil.copytree(ROOT / name, folder / name)
    for name in ('tools', 'mmwsss', 'requirements'):
        (folder / name).symlink_to(ROOT / name)
    for name, changes in TINY.items():
        text = (folder / name).read_text()
        for old, new in changes.items():
            text = re.sub(old, new, text)
        (folder / name).write_text(text)
    draw_pets(folder / 'data/pets')


def shorten_projects(folder: Path) -> None:
    """Make new projects train for two steps, from weights that need no download."""
    import torch
    from torchvision.models import ResNet18_Weights, resnet18

    from mmwsss.apis import project
    os.environ['TORCH_HOME'] = str(folder)
    path = Path(torch.hub.get_dir(), 'checkpoints', Path(ResNet18_Weights.IMAGENET1K_V1.url).name)
    path.parent.mkdir(parents=True)
    torch.save(resnet18().state_dict(), path)
    plan = project.plan
    project.plan = lambda *args: dataclasses.replace(plan(*args), epochs=1, every=1, seg_iters=2)


def draw_pets(folder: Path) -> None:
    """The folder of own images that docs/own_data.md supposes: 9 images, masks of 3."""
    import numpy as np
    from PIL import Image

    from mmwsss.structures.artifacts import write_mask
    rng, rows = np.random.default_rng(0), ['image,cat,dog,rabbit']
    for i in range(9):
        name = f'{("cat", "dog", "rabbit")[i % 3]}_{900 + i}'
        rows.append(f'{name},{",".join(str(int(k in (i % 3, i // 3))) for k in range(3))}')
        (folder / 'images').mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f'images/{name}.jpg')
        if i % 4 == 0:
            mask = np.zeros((48, 64), np.uint8)
            mask[10:30, 20:50] = i % 3 + 1
            write_mask(folder / f'masks/{name}.png', mask)
    (folder / 'labels.csv').write_text('\n'.join(rows))
    names = [row.split(',')[0] for row in rows[1:]]
    (folder / 'train.txt').write_text('\n'.join(names))
    (folder / 'val.txt').write_text('\n'.join(names[::4]))


def in_child(call, log: Path) -> int:
    """Exit status of ``call()`` in a fork whose output goes to a file."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = 1
    try:
        with open(log, 'w') as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        status = call() or 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def run_command(command: str) -> int:
    """Run one line of a shell block; Python without a new interpreter."""
    match = re.match(r'python (?:(-c|-m) )?', command)
    if not match:
        return subprocess.run(['bash', '-c', command]).returncode
    words = subprocess.run(['bash', '-c', f'printf "%s\\0" {command[match.end():]}'],
                           capture_output=True, text=True, check=True).stdout.split('\0')[:-1]
    sys.argv = words
    if match[1] == '-c':
        exec(words[0], {'__name__': '__main__'})
    elif match[1] == '-m':
        sys.path.insert(0, '')
        runpy.run_module(words[0], run_name='__main__', alter_sys=True)
    else:
        sys.path.insert(0, str(Path(words[0]).resolve().parent))
        runpy.run_path(words[0], run_name='__main__')
    return 0


def run_python(code: str) -> int:
    sys.path.insert(0, os.getcwd())
    exec(compile(code, 'block', 'exec'), {'__name__': 'block'})
    return 0


def run_page(page: Path, log: Path) -> list[dict]:
    """Run the blocks of a page, up to the first that fails."""
    results: list[dict] = []
    for block in blocks_of(page):
        if block.needs or block.language not in ('bash', 'python'):
            continue
        if block.file:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.code)
            continue
        calls = [(block.code, lambda code=block.code: run_python(code))]
        if block.language == 'bash':
            calls = [(line, lambda line=line: run_command(line))
                     for line in commands_of(block.code)]
        for text, call in calls:
            begin = time.time()
            status, output = in_child(call, log), log.read_text(errors='replace')
            results.append(dict(text=text, status=status, seconds=round(time.time() - begin, 1),
                                noise=NOISE.findall(output), output=output[-3000:]))
            if status:
                return results
    return results


def main() -> None:
    folder, *pages = map(Path, sys.argv[1:])
    folder, pages = folder.resolve(), [page.resolve() for page in pages]
    os.environ['CUDA_VISIBLE_DEVICES'] = ''
    from mmwsss import apis, pipeline  # noqa: F401
    prepare(folder)
    shorten_projects(folder / 'torch')
    os.chdir(folder)
    results = {}
    for page in pages:
        results[page.name] = run_page(page, folder / 'output.log')
        (folder / 'results.json').write_text(json.dumps(results))


if __name__ == '__main__':
    main()
