"""What the book's pages need and the mathematics does not: `import vaelib.pages as vp`.

Checked claims (claims); numbers for the prose, sizes by profile and tables (notebook); recorded
results (receipts); figures, still (plotting, with the style "vaelib.pages.book") and moving
(explorer). No module of `vaelib` itself imports this.
"""

from . import explorer, plotting, receipts
from .claims import claim
from .notebook import glue, profile, sizes, table

__all__ = ["claim", "explorer", "glue", "plotting", "profile", "receipts", "sizes", "table"]
