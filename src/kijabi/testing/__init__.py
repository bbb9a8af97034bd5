"""kijabi.testing"""
