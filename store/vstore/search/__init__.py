"""The verbs `search` and `dupes`. Import `search`, `query`, `dupes` and `groups`."""
