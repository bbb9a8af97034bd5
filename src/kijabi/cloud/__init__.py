"""kijabi.cloud"""
