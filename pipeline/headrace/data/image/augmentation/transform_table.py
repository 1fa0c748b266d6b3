"""The transforms of albumentations 2.0.8 and their arguments, so that settings are checked without importing it.

A test compares the table with the library.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.errors import choices

TRANSFORM_ARGUMENTS: dict[str, str] = {
    "AdditiveNoise": "noise_type spatial_mode noise_params approximation p",
    "AdvancedBlur": "blur_limit sigma_x_limit sigma_y_limit rotate_limit beta_limit noise_limit p",
    "Affine": (
        "scale translate_percent translate_px rotate shear interpolation mask_interpolation fit_output "
        "keep_ratio rotate_method balanced_scale border_mode fill fill_mask p"
    ),
    "AtLeastOneBBoxRandomCrop": "height width erosion_factor p",
    "AutoContrast": "cutoff ignore method p",
    "BBoxSafeRandomCrop": "erosion_rate p",
    "Blur": "blur_limit p",
    "CLAHE": "clip_limit tile_grid_size p",
    "CenterCrop": "height width pad_if_needed pad_position border_mode fill fill_mask p",
    "CenterCrop3D": "size pad_if_needed fill fill_mask p",
    "ChannelDropout": "channel_drop_range fill p",
    "ChannelShuffle": "p",
    "ChromaticAberration": "primary_distortion_limit secondary_distortion_limit mode interpolation p",
    "CoarseDropout": "num_holes_range hole_height_range hole_width_range fill fill_mask p",
    "CoarseDropout3D": "num_holes_range hole_depth_range hole_height_range hole_width_range fill fill_mask p",
    "ColorJitter": "brightness contrast saturation hue p",
    "ConstrainedCoarseDropout": (
        "num_holes_range hole_height_range hole_width_range fill fill_mask p mask_indices bbox_labels"
    ),
    "Crop": "x_min y_min x_max y_max pad_if_needed pad_position border_mode fill fill_mask p",
    "CropAndPad": (
        "px percent keep_size sample_independently interpolation mask_interpolation border_mode fill fill_mask p"
    ),
    "CropNonEmptyMaskIfExists": "height width ignore_values ignore_channels p",
    "CubicSymmetry": "p",
    "D4": "p",
    "Defocus": "radius alias_blur p",
    "Downscale": "scale_range interpolation_pair p",
    "ElasticTransform": (
        "alpha sigma interpolation approximate same_dxdy mask_interpolation noise_distribution "
        "keypoint_remapping_method border_mode fill fill_mask p"
    ),
    "Emboss": "alpha strength p",
    "Equalize": "mode by_channels mask mask_params p",
    "Erasing": "scale ratio fill fill_mask p",
    "FDA": "reference_images beta_limit read_fn metadata_key p",
    "FancyPCA": "alpha p",
    "FrequencyMasking": "freq_mask_param p",
    "FromFloat": "dtype max_value p",
    "GaussNoise": "std_range mean_range per_channel noise_scale_factor p",
    "GaussianBlur": "blur_limit sigma_limit p",
    "GlassBlur": "sigma max_delta iterations mode p",
    "GridDistortion": (
        "num_steps distort_limit interpolation normalized mask_interpolation keypoint_remapping_method p "
        "border_mode fill fill_mask"
    ),
    "GridDropout": "ratio random_offset unit_size_range holes_number_xy shift_xy fill fill_mask p",
    "GridElasticDeform": "num_grid_xy magnitude interpolation mask_interpolation p",
    "HEStain": "method preset intensity_scale_range intensity_shift_range augment_background p",
    "HistogramMatching": "reference_images blend_ratio read_fn metadata_key p",
    "HorizontalFlip": "p",
    "HueSaturationValue": "hue_shift_limit sat_shift_limit val_shift_limit p",
    "ISONoise": "color_shift intensity p",
    "Illumination": "mode intensity_range effect_type angle_range center_range sigma_range p",
    "ImageCompression": "compression_type quality_range p",
    "InvertImg": "p",
    "Lambda": "image mask keypoints bboxes name p",
    "LongestMaxSize": "max_size max_size_hw interpolation mask_interpolation area_for_downscale p",
    "MaskDropout": "max_objects fill fill_mask p",
    "MedianBlur": "blur_limit p",
    "Morphological": "scale operation p",
    "Mosaic": (
        "grid_yx target_size cell_shape center_range fit_mode interpolation mask_interpolation fill fill_mask "
        "metadata_key p"
    ),
    "MotionBlur": "blur_limit allow_shifted angle_range direction_range p",
    "MultiplicativeNoise": "multiplier per_channel elementwise p",
    "Normalize": "mean std max_pixel_value normalization p",
    "OpticalDistortion": (
        "distort_limit interpolation mask_interpolation mode keypoint_remapping_method p border_mode fill fill_mask"
    ),
    "OverlayElements": "metadata_key p",
    "Pad": "padding fill fill_mask border_mode p",
    "Pad3D": "padding fill fill_mask p",
    "PadIfNeeded": "min_height min_width pad_height_divisor pad_width_divisor position border_mode fill fill_mask p",
    "PadIfNeeded3D": "min_zyx pad_divisor_zyx position fill fill_mask p",
    "Perspective": "scale keep_size fit_output interpolation mask_interpolation border_mode fill fill_mask p",
    "PiecewiseAffine": (
        "scale nb_rows nb_cols interpolation mask_interpolation absolute_scale keypoint_remapping_method p "
        "border_mode fill fill_mask"
    ),
    "PixelDistributionAdaptation": "reference_images blend_ratio read_fn transform_type metadata_key p",
    "PixelDropout": "dropout_prob per_channel drop_value mask_drop_value p",
    "PlanckianJitter": "mode temperature_limit sampling_method p",
    "PlasmaBrightnessContrast": "brightness_range contrast_range plasma_size roughness p",
    "PlasmaShadow": "shadow_intensity_range plasma_size roughness p",
    "Posterize": "num_bits p",
    "RGBShift": "r_shift_limit g_shift_limit b_shift_limit p",
    "RandomBrightnessContrast": "brightness_limit contrast_limit brightness_by_max ensure_safe_range p",
    "RandomCrop": "height width pad_if_needed pad_position border_mode fill fill_mask p",
    "RandomCrop3D": "size pad_if_needed fill fill_mask p",
    "RandomCropFromBorders": "crop_left crop_right crop_top crop_bottom p",
    "RandomCropNearBBox": "max_part_shift cropping_bbox_key p",
    "RandomFog": "alpha_coef fog_coef_range p",
    "RandomGamma": "gamma_limit p",
    "RandomGravel": "gravel_roi number_of_patches p",
    "RandomGridShuffle": "grid p",
    "RandomRain": "slant_range drop_length drop_width drop_color blur_value brightness_coefficient rain_type p",
    "RandomResizedCrop": "size scale ratio interpolation mask_interpolation area_for_downscale p",
    "RandomRotate90": "p",
    "RandomScale": "scale_limit interpolation mask_interpolation area_for_downscale p",
    "RandomShadow": "shadow_roi num_shadows_limit shadow_dimension shadow_intensity_range p",
    "RandomSizedBBoxSafeCrop": "height width erosion_rate interpolation mask_interpolation p",
    "RandomSizedCrop": "min_max_height size w2h_ratio interpolation mask_interpolation area_for_downscale p",
    "RandomSnow": "brightness_coeff snow_point_range method p",
    "RandomSunFlare": "flare_roi src_radius src_color angle_range num_flare_circles_range method p",
    "RandomToneCurve": "scale per_channel p",
    "Resize": "height width interpolation mask_interpolation area_for_downscale p",
    "RingingOvershoot": "blur_limit cutoff p",
    "Rotate": "limit interpolation border_mode rotate_method crop_border mask_interpolation fill fill_mask p",
    "SafeRotate": "limit interpolation border_mode rotate_method mask_interpolation fill fill_mask p",
    "SaltAndPepper": "amount salt_vs_pepper p",
    "Sharpen": "alpha lightness method kernel_size sigma p",
    "ShiftScaleRotate": (
        "shift_limit scale_limit rotate_limit interpolation border_mode shift_limit_x shift_limit_y "
        "rotate_method mask_interpolation fill fill_mask p"
    ),
    "ShotNoise": "scale_range p",
    "SmallestMaxSize": "max_size max_size_hw interpolation mask_interpolation area_for_downscale p",
    "Solarize": "threshold_range p",
    "Spatter": "mean std gauss_sigma cutout_threshold intensity mode color p",
    "SquareSymmetry": "p",
    "Superpixels": "p_replace n_segments max_size interpolation p",
    "TextImage": (
        "font_path stopwords augmentations fraction_range font_size_fraction_range font_color clear_bg metadata_key p"
    ),
    "ThinPlateSpline": (
        "scale_range num_control_points interpolation mask_interpolation keypoint_remapping_method p "
        "border_mode fill fill_mask"
    ),
    "TimeMasking": "time_mask_param p",
    "TimeReverse": "p",
    "ToFloat": "max_value p",
    "ToGray": "num_output_channels method p",
    "ToRGB": "num_output_channels p",
    "ToSepia": "p",
    "ToTensor3D": "p",
    "ToTensorV2": "transpose_mask p",
    "Transpose": "p",
    "UnsharpMask": "blur_limit sigma_limit alpha threshold p",
    "VerticalFlip": "p",
    "XYMasking": "num_masks_x num_masks_y mask_x_length mask_y_length fill fill_mask p",
    "ZoomBlur": "max_factor step_factor p",
}
"""Name -> the names of its arguments, separated by blanks."""


def find_transform_mistakes(transforms: list[dict[str, Any]], where: str) -> list[str]:
    """Returns a clause, beginning with its key below `where`, for each unknown transform and argument."""
    mistakes = []
    for index, entry in enumerate(transforms):
        mistakes += [f"{where}.{index}{mistake}" for mistake in _find_mistakes(entry)]
    return mistakes


def _find_mistakes(entry: Mapping[str, Any]) -> list[str]:
    name = entry.get("name")
    if not isinstance(name, str):
        return [".name: missing; add one, such as {name: Affine, rotate: [-10, 10]}"]
    if name not in TRANSFORM_ARGUMENTS:
        close = choices(name, TRANSFORM_ARGUMENTS).partition("(")[2].removesuffix(")")
        hint = f"{close}; " if close else ""
        return [f".name: {name!r} is not an albumentations transform; {hint}see https://albumentations.ai/docs"]
    allowed = TRANSFORM_ARGUMENTS[name].split()
    unknown = [str(key) for key in entry if key != "name" and key not in allowed]
    return [f".{key}: unknown argument of {name}; {choices(key, allowed)}" for key in unknown]
