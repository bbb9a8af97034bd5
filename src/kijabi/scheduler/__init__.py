"""kijabi.scheduler"""
