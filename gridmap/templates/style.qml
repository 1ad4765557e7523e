<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.28.0" styleCategories="Symbology">
<renderer-v2 type="RuleRenderer" forceraster="0" symbollevels="0" enableorderby="0">
<rules key="root">
{% for rule in rules %}
<rule key="rule{{ loop.index0 }}" filter="{{ rule.filter }}" label="{{ rule.label }}" symbol="{{ loop.index0 }}"/>
{% endfor %}
</rules>
<symbols>
{% for rule in rules %}
<symbol type="fill" name="{{ loop.index0 }}" alpha="1" clip_to_extent="1">
{% for look in rule.looks %}
<layer class="SimpleFill" enabled="1" locked="0" pass="0"><Option type="Map">
<Option type="QString" name="outline_style" value="solid"/>
<Option type="QString" name="outline_width_unit" value="MM"/>
{% for name, value in look.items() %}
<Option type="QString" name="{{ name }}" value="{{ value }}"/>
{% endfor %}
</Option></layer>
{% endfor %}
</symbol>
{% endfor %}
</symbols>
</renderer-v2>
</qgis>
