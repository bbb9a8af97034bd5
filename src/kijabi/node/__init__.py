"""kijabi.node"""
