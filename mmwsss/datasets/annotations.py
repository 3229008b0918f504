"""Annotations of objects, and folders of classes, reduced to image labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from mmwsss.utils.images import images_below
from mmwsss.utils.io import read_text

Path_ = str | Path
_NAME_FILES = ('classes.txt', 'obj.names', 'classes.names')


class LabelTable(dict):
    """``{image: classes}``.

    Args:
        entries: See :class:`dict`.
        order: Names of the classes in the order that the file gives them, a name that comes twice
            at its first place; empty if it gives none.
    """

    def __init__(self, entries=(), order: Sequence[str] = ()):
        super().__init__(entries)
        self.order = tuple(dict.fromkeys(order))


def read_voc_xml(path: Path_) -> list[str]:
    """Names of the objects in an annotation of VOC, not of their parts.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not valid XML.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise FileNotFoundError(
            f'no annotation "{path}"; give label_file (cls_labels.npy or a table), or put the '
            'folder Annotations of VOC 2012 there') from None
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # or an odd encoding
        raise ValueError(f'annotation "{path}" is not valid XML: {error}') from None
    return sorted({item.findtext('name', '').strip() for item in root.iter('object')})


def is_coco(table: Any) -> bool:
    """Whether a JSON is an instances file of COCO."""
    return isinstance(table, dict) and {'images', 'annotations', 'categories'} <= set(table)


def read_coco(data: dict, path: Path_) -> LabelTable:
    """``{file name: class names}`` of an instances JSON; images without objects have none.
    Classes are in the order of the categories' ids.

    Raises:
        ValueError: It is none, or an annotation is of an unknown image or category.
    """
    try:
        names = {image['id']: image['file_name'] for image in data['images']}
        classes = {category['id']: category['name'] for category in data['categories']}
        table: dict[str, set] = {name: set() for name in names.values()}
        for item in data['annotations']:
            table[names[item['image_id']]].add(classes[item['category_id']])
        return LabelTable({str(name): sorted(found) for name, found in table.items()},
                          [classes[key] for key in sorted(classes)])
    except (KeyError, TypeError) as error:
        raise ValueError(f'"{path}" is no instances JSON of COCO: {type(error).__name__} {error}'
                         ) from None


def _yolo_names(folder: Path) -> list[str] | None:
    """Class names beside the labels or above them: a list, or ``names`` of a data YAML."""
    for place in (folder, *folder.resolve().parents[:2]):
        for name in _NAME_FILES:
            if (place / name).is_file():
                lines = read_text(place / name).splitlines()
                return [line.strip() for line in lines if line.strip()]
        for path in sorted(place.glob('data*.y*ml')):
            import yaml
            try:
                data = yaml.safe_load(read_text(path))
            except (yaml.YAMLError, ValueError, RecursionError) as error:
                raise ValueError(f'"{path}" is not valid YAML: {error}') from None
            names = data.get('names') if isinstance(data, Mapping) else None
            if isinstance(names, Mapping):
                names = [names[key] for key in sorted(names)]
            if names:
                return [str(name) for name in names]
    return None


def read_yolo(folder: Path_) -> LabelTable:
    """``{image: classes}`` of a folder of YOLO's labels, one line ``class x y w h`` (or a polygon)
    an object; an empty file is an image without any.

    Classes are names where ``classes.txt``, ``obj.names`` or a data YAML lies there or above, else
    indices.

    Raises:
        ValueError: A line is none of YOLO's, or its class has no name.
    """
    folder = Path(folder)
    names, table = _yolo_names(folder), {}
    for path in sorted(folder.rglob('*.txt')):
        if path.name in _NAME_FILES:
            continue
        found = set()
        for number, line in enumerate(read_text(path).splitlines(), 1):
            if not line.strip():
                continue
            try:
                index, *box = line.split()
                index = int(index)
                if index < 0 or len([float(x) for x in box]) < 4:
                    raise ValueError
            except ValueError:
                raise ValueError(f'"{path}", line {number}: "{line.strip()[:80]}" is no object of '
                                 'YOLO, "class x y w h"') from None
            if names is not None and index >= len(names):
                raise ValueError(f'"{path}", line {number}: class {index} has no name, there are '
                                 f'{len(names)}: {names[:20]}')
            found.add(index if names is None else names[index])
        table[path.relative_to(folder).with_suffix('').as_posix()] = sorted(found)
    return LabelTable(table, names or ())


def read_class_folders(folder: Path_) -> dict[str, list[str]]:
    """``{class/image: [class]}`` of a folder with one folder of images for each class.

    Raises:
        ValueError: Images lie beside the folders, or there are none.
    """
    table = {}
    for path in images_below(folder):
        name, inside, _ = path.partition('/')
        if not inside:
            raise ValueError(f'"{folder}" has one folder for each class, but "{path}" lies beside '
                             'them; move it, or give a label table')
        table[path] = [name]
    if not table:
        raise ValueError(f'"{folder}" has neither VOC annotations (.xml), nor YOLO labels (.txt), '
                         'nor a folder of images for each class')
    return table


def read_label_folder(folder: Path_) -> dict[str, list]:
    """Labels of a folder: VOC's XML, YOLO's labels, or one folder of images for each class.

    Raises:
        ValueError: It is none of them.
    """
    folder = Path(folder)
    annotations = sorted(folder.rglob('*.xml'))
    if annotations:
        return {path.relative_to(folder).with_suffix('').as_posix(): read_voc_xml(path)
                for path in annotations}
    if any(path.name not in _NAME_FILES for path in folder.rglob('*.txt')):
        return read_yolo(folder)
    return read_class_folders(folder)
