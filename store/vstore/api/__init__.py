"""The methods of a store, by theme. `store` puts them together; programs import `Store` from `vstore`."""
