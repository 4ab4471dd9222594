"""``python -m fastnn``."""

from .cli import main

raise SystemExit(main())
