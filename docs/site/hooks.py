"""What MkDocs needs to make a site of pages that are written for the checkout.

README becomes the first page; links to files outside ``docs`` become their path; roles of
docstrings (``:class:`X```) become code.
"""

import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = re.compile(r'\[([^\]]+)\]\((?!https?:|#)([^)\s]+)\)')
ROLE = re.compile(r':(?:class|func|meth|attr|mod|data):(<code[^>]*>)~?(?:[\w.]+\.)?(\w+)(</code>)')


def on_config(config):
    """Pages that the navigation does not name come last."""
    for path in sorted((ROOT / 'docs').glob('*.md')):
        if f"'{path.name}'" not in str(config['nav']):
            config['nav'].append({path.stem.replace('_', ' ').capitalize(): path.name})
    return config


def on_files(files, config):
    text = (ROOT / 'README.md').read_text().replace('](docs/', '](')
    files.append(File.generated(config, 'index.md', content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    known = {file.src_uri for file in files}
    folder = Path(page.file.src_uri).parent

    def link(match):
        label, target = match.groups()
        path, _, anchor = target.partition('#')
        if path.endswith('README.md') and (ROOT / 'docs' / path).resolve() == ROOT / 'README.md':
            return f'[{label}](index.md{"#" * bool(anchor)}{anchor})'
        if (folder / path).as_posix() in known:
            return match[0]
        path = re.sub(r'^(\.\./)+', '', path)
        return f'`{path}`' if label.strip('`') in path else f'{label} (`{path}`)'

    return OUTSIDE.sub(link, markdown)


def on_page_content(html, page, config, files):
    return ROLE.sub(r'\1\2\3', html).replace('::</p>', ':</p>')
