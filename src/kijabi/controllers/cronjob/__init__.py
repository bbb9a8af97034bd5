"""CronJobs: Jobs made when their schedule says so.

``times`` finds the start that is due, ``plan`` decides, ``controller`` carries out. A Job's name says for which minute
it was made, so that making it twice does no harm.
Source: the documentation of CronJob; KEP-19, KEP-3140 (time zones).
"""
