"""Taking memory elsewhere: exports as JSON lines, and what an import makes of them.

``formats`` says what a line of each type holds, for both ways; ``extents`` which rows an export holds.
"""
