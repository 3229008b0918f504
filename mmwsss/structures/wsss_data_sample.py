"""The record of one image on its way from image labels to a pseudo mask."""

from mmengine.structures import BaseDataElement


class WSSSDataSample(BaseDataElement):
    """Labels, maps and masks of one image.

    Data fields, all optional (``C`` foreground classes):

    - ``gt_label`` float ``(C,)``: multi-hot image label.
    - ``gt_sem_seg`` long ``(H, W)``: ground truth, 0 background, ``1..C``, 255 ignore (for scores
      only).
    - ``saliency`` float ``(H, W)`` in [0, 1]; ``prior_mask`` long ``(H, W)`` as ``gt_sem_seg``.
    - ``paste_mask`` bool ``(H, W)``: the pixels of a mixed image that come from the source (CSD).
    - ``pred_logits`` float ``(C,)``; ``pred_cam`` float ``(C, H, W)`` in [0, 1];
      ``pred_background`` float ``(H, W)`` in [0, 1], where the head scores the background itself.

    Meta: ``name`` (image id), ``img_path``, ``ori_shape`` and ``img_shape`` as ``(height, width)``,
    ``flip``, and ``valid_box`` ``(top, left, height, width)``, the part of a padded crop that shows
    the image (absent: all of it).
    """
