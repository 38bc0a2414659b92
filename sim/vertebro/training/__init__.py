"""The school: a session in which somebody places needles and injects, and what it was worth.

`Session` has no window: commands in, pictures and telemetry out, one clock, one log. Score, replay and debrief are
computed from the log alone. Education and research only; the rubric is an unvalidated draft.
"""
