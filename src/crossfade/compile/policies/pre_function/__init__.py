"""pre-function: functions in Lua before all other plugins."""
