"""Labels of mask pixels that are no class."""

NO_LABEL = 255  # mask value of pixels without a label


UNKNOWN = 254  # never a class index: there are at most 254 classes
