"""post-function: functions in Lua after all other plugins."""
