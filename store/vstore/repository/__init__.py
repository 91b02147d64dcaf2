"""An open store: its form, names, snapshots, places and spaces. Intake and the verbs may import any module of it."""
