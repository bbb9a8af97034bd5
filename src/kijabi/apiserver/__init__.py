"""kijabi.apiserver"""
