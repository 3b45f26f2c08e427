"""One program per rule of the workflow; none imports another.

A stage that Snakemake started ends with it: from here on, before it imports what takes seconds.
"""

from satseg.processes import end_with_starter

end_with_starter()
