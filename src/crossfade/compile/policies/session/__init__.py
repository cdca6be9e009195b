"""session: who has proved once who they are is known by a cookie afterwards."""
