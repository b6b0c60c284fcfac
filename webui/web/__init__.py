"""The HTTP side: server, rights, the native API and its event stream."""
