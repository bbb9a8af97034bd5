"""kijabi.cli"""
