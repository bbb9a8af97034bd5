"""kijabi.cluster"""
