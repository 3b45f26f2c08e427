"""The classes of the demo."""

# Name and colour of each class index, as in the dataset's configuration.
CLASSES = {
    0: ("No data", "#000000"),
    1: ("Field", "#E6C86E"),
    2: ("Woodland", "#267300"),
    3: ("Water", "#00A0DC"),
    4: ("Road", "#B4B4B4"),
    5: ("Building", "#C8414B"),
}
NO_DATA, FIELD, WOODLAND, WATER, ROAD, BUILDING = CLASSES
