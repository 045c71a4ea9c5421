"""The one place for private names of other libraries, one file a library: where a new version may break."""
