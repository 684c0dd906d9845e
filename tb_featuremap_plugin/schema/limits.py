"""Every bound on what is read from a logdir, each with its reason. Sizes are checked before anything is allocated."""

MAX_HEADER_BYTES = 1_000_000
"""A picture's JSON header. Real ones take 1 KB; a list of 65,536 channel numbers takes 400 KB."""

MAX_BLOB_BYTES = 256 * 2**20
"""A stored picture. The native data server refuses larger tensors, and no browser tab wants one."""

MAX_SECTION_BYTES = 512 * 2**20
"""One section after it is inflated: 2,048 channels of 128 x 128 pixels for 4 images in float32."""

MAX_DIMENSIONS = 8
"""Axes of a stored array: images, channels, three of space, and some to spare."""

MAX_SECTIONS = 32
"""Sections of a picture. The format names fewer than ten."""

MAX_TABLE_CELLS = 4_000_000
"""Rows times columns of one packed tensor: 50,000 variables by 80 statistics."""

MAX_TABLE_RATIO = 8
"""Cells of a joined table for each number that is stored; above it, and above `MAX_TABLE_CELLS`, its last steps are read. Layers that
are each logged at steps of their own leave most cells empty."""

MAX_CHANNEL_CELLS = 1_000_000
"""Statistics times channels of one picture that the tab reads over all steps: 65,536 channels by 15. They deflate a thousandfold."""

MAX_CHANNELS_CELLS = 16_000_000
"""Statistics times channels of all pictures of a series that the tab reads, together: 64 MB. 1,000 pictures of 1,000 channels by 15."""

MAX_SERIES_CELLS = 256_000_000
"""Rows times columns times steps that are read of one packed series: 1 GB of float32."""

MAX_RUN_RECORD_BYTES = 16 * 2**20
"""A run record after it is inflated: 10,000 layers at 1.6 KB each."""

MAX_SESSIONS = 16
"""Run records that are read of a run that was resumed; what is older than them all is read by the oldest of them."""

MAX_NAME_CHARACTERS = 4_096
"""A layer's, variable's or run's name. Longer ones are shown cut off."""

MAX_STEP = 2**53
"""Steps beyond it cannot be told apart once they are numbers in a browser."""

MAX_PROBLEMS = 100
"""Problems told of one run. A logdir made to annoy could hold one a series."""

MAX_EVENT_BYTES = MAX_BLOB_BYTES + 2**20
"""One record of an event file: the largest picture with its tag and metadata. Longer ones are skipped unread."""

MAX_BLOBS_PER_STEP = 1_000
"""Length of a blob sequence; ours hold one. The Python loader makes a reference for each that a shape claims."""

MAX_REMEMBERED_SERIES = 50_000
"""Picture series whose versions are remembered; beyond it all are forgotten, and browsers fetch again."""

MAX_REMEMBERED_STEPS = 10_000
"""Steps remembered of one of them."""

MAX_BATCH_PARTS = 64
"""Answers in one response: a screen of 12 layers in 5 runs. Addresses of that many fill the 8 KB that proxies take for a line."""

MAX_BATCH_BYTES = 32 * 2**20
"""Answers in one response, together. Nothing of it is shown before all of it has come; a larger answer is fetched alone."""

MAX_ZIP_DIRECTORY_BYTES = 8 * 2**20
"""The list of a zip's members, which is read whole: 70,000 event files with names of 70 characters."""

MAX_ZIP_RATIO = 100
"""Inflated bytes of a zip's event files for each byte of the zip. Real ones have 1 to 20; deflate itself reaches 1,032."""

MAX_ZIP_SMALL_BYTES = 16 * 2**20
"""Inflated bytes that are read at any ratio: they cost seconds, and numbers that never change deflate well."""

MAX_ZIP_INFLATED_BYTES = 4 * 2**30
"""Inflated bytes of a zip's event files, which pass through the temporary folder. What is larger is unpacked first."""
