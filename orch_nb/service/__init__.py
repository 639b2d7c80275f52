"""The long-lived loops: scheduler, worker, triggers and notifications. Each is a ``step`` that is
told the time and says how long to wait; `orch_nb.service.daemon` calls them with real clocks.
"""
