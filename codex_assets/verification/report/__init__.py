"""What a report says: findings with the clauses that they cite, and what was measured, as plain numbers.

This folder should contain frozen facts, worked out from observations and findings that exist already, and nothing that
looks at a file or judges anew. How a report looks is in `cli/report_page/`.
"""
