"""Places calls and manages them: the queues for programs, and the actions behind them."""
