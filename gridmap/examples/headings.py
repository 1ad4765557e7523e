"""Headings of the written tables: Chinese as offices use them, or plain English."""

from __future__ import annotations

# The telephones' own coordinates must not be taken for positions in the grid's CRS.
HEADINGS: dict[str, dict[str, dict[str, str]]] = {
    "zh": {
        "incidents": {
            "incident_id": "案件编号",
            "time": "上报时间",
            "closed": "结案时间",
            "due": "处置截止时间",
            "category": "问题大类",
            "subcategory": "问题小类",
            "source": "问题来源",
            "status": "处置状态",
            "handling_level": "处置层级",
            "x": "X坐标",
            "y": "Y坐标",
            "lng": "高德经度",
            "lat": "高德纬度",
            "datum": "坐标系",
        },
        "staff": {
            "post": "岗位",
            "code": "网格编码",
            "community": "所属社区",
            "role": "角色",
            "title": "岗位说明",
            "duty": "职责",
        },
    },
    "en": {
        "incidents": {"lng": "gcj02_lng", "lat": "gcj02_lat"},
        "staff": {},
    },
}
