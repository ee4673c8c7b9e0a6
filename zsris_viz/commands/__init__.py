"""The subcommands of `zsris`, a file each; none imports anything heavy before it runs."""
