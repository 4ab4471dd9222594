"""fastnn behind the function signatures of others."""
