"""What clients ask: one file per thing asked about. The only place, with app.py, that knows HTTP."""
