"""The paper as commands: calibration, protocol, scores, tables and figures."""
