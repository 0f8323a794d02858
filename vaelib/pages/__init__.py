"""What the book's pages need and the mathematics does not: `import vaelib.pages as vp`.

Checked claims (claims); numbers for the prose, sizes by profile and tables (notebook); recorded
results (receipts) and their tables (tables); figures, still (plotting, with the style
"vaelib.pages.book") and moving (explorer). No module of `vaelib` itself imports this.
"""

from . import explorer, plotting, receipts
from .claims import claim
from .notebook import glue, profile, sizes, table
from .tables import paper_table, receipt_table

__all__ = ["claim", "explorer", "glue", "paper_table", "plotting", "profile", "receipt_table",
           "receipts", "sizes", "table"]  # fmt: skip
