"""One loaded model for several processes: who has it answers the queries of the others."""
