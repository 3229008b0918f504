"""How many masks came out empty, full, or without a class of their label."""

from collections.abc import Mapping, Sequence

# Shares above which the masks are not what one wants to train on.
EMPTY, FULL, LOST = 0.1, 0.1, 0.2
FILLS = 0.98


def mask_shares(records: Sequence[Mapping], labels: Mapping[str, Sequence[int]]) -> dict:
    """Shares of the masks of a manifest that refinement or threshold spoiled.

    Args:
        records: Lines of the manifest: ``name``, ``classes`` that the mask has, and ``background``,
            the share of its pixels, 255 aside, that are background (older lines have none).
        labels: Classes ``0..C-1`` of each image; images of no class do not count.

    Returns:
        ``images`` (with a class), and in [0, 1]: ``empty`` (no pixel of a class), ``full`` (at most
        2 % background), ``lost`` (of all labelled classes, those that are nowhere in the mask).
        Empty without labels.
    """
    records = [record for record in records if len(labels.get(record['name'], ()))]
    if not records:
        return {}
    empty = sum(not record['classes'] for record in records)
    full = sum(record.get('background', 1) < 1 - FILLS for record in records)
    wanted = sum(len(labels[record['name']]) for record in records)
    lost = sum(len(set(labels[record['name']]) - set(record['classes'])) for record in records)
    count = len(records)
    return dict(images=count, empty=round(empty / count, 4), full=round(full / count, 4),
                lost=round(lost / wanted, 4))


def describe(shares: Mapping) -> str:
    """One line; empty without shares."""
    if not shares:
        return ''
    return (f'of {shares["images"]} masks {100 * shares["empty"]:.1f} % are empty and '
            f'{100 * shares["full"]:.1f} % fill the image; {100 * shares["lost"]:.1f} % of the '
            'labelled classes are in no pixel')


def warnings(shares: Mapping, bg: object = None, refiner: str = '') -> list[str]:
    """What is likely wrong and which option to change, a line each.

    Args:
        shares: Of :func:`mask_shares`.
        bg: The background threshold of the masks, for the text.
        refiner: Its type; another is proposed where it loses small regions.
    """
    if not shares:
        return []
    at = f' (now {bg:g})' if isinstance(bg, (int, float)) else ''
    percent = {key: f'{100 * value:.0f} %' for key, value in shares.items() if key != 'images'}
    found = []
    if shares['empty'] > EMPTY and shares['full'] > FULL:
        found.append(
            f'{percent["empty"]} of the masks are empty and {percent["full"]} fill the image, so '
            f'no background score{at} fits all: most likely the classifier has not learned. Check '
            'its mAP, train longer (train_cfg.max_epochs), or start from ImageNet weights '
            '(model.backbone.init_cfg)')
    elif shares['empty'] > EMPTY:
        cause, mend = ('', '') if refiner == 'PARMask' else (
            ', or the refinement removed small regions',
            ", or take pipeline.mask=dict(type='PARMask', ...)")
        found.append(f'{percent["empty"]} of the masks are empty: the background score is too high '
                     f'for these CAMs{cause}. Lower pipeline.mask.bg{at} or, if the ground truth '
                     f'chose it, train longer{mend}')
    elif shares['full'] > FULL:
        found.append(
            f'{percent["full"]} of the masks fill the image: the background score is too low, or '
            f'the classifier has not learned. Raise pipeline.mask.bg{at}; check its mAP')
    if shares['lost'] > LOST and shares['lost'] > 1.2 * shares['empty']:
        found.append(
            f'{percent["lost"]} of the labelled classes are in no pixel of their masks: stronger '
            'classes or the background cover them. Lower pipeline.mask.bg'
            f'{at}, train longer, or look whether their labels are right (check_dataset.py)')
    return found
